"""The service itself: requests in, answers out; time, memory and transport are known only here."""
