"""Reports as pages: one offline HTML file, and the same pieces for notebooks. Imported only when a page is asked for."""
