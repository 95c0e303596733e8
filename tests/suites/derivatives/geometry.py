"""Rotations, cameras and other geometry."""

# ruff: noqa: D103  (a derivative is described by the function it stands beside)
from __future__ import annotations

import numpy as np

from tests.suites.model import Draw, Edit, subject

d = Draw(7)


def quaternion_rotation(q, v):
    """Rotate v by the quaternion q = (w, x, y, z), not normalised first."""
    w, u = q[0], q[1:]
    t = 2 * np.cross(u, v)
    return v + w * t + np.cross(u, t)


def quaternion_rotation_vjp(q, v, y_bar):
    w, u = q[0], q[1:]
    t = 2 * np.cross(u, v)
    t_bar = w * y_bar + np.cross(y_bar, u)
    u_outer = np.cross(t, y_bar)
    u_inner = 2 * np.cross(v, t_bar)
    v_bar = y_bar + 2 * np.cross(t_bar, u)
    w_bar = t @ y_bar
    q_bar = np.concatenate([np.reshape(w_bar, (1,)), u_outer + u_inner])
    return q_bar, v_bar


def complex_product(a, b):
    """Product of two complex numbers held as pairs."""
    return np.stack([a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]])


def complex_product_vjp(a, b, y_bar):
    a_bar = np.stack([y_bar[0] * b[0] + y_bar[1] * b[1], y_bar[1] * b[0] - y_bar[0] * b[1]])
    b_bar = np.stack([y_bar[0] * a[0] + y_bar[1] * a[1], y_bar[1] * a[0] - y_bar[0] * a[1]])
    return a_bar, b_bar


def rodrigues(r, v):
    """Squared distance of v turned by the rotation vector r to a fixed direction."""
    angle = np.sqrt(r @ r)
    k = r / angle
    turned = v * np.cos(angle) + np.cross(k, v) * np.sin(angle) + k * (k @ v) * (1 - np.cos(angle))
    return 0.5 * np.sum((turned - np.array([0.2, -0.5, 0.7])) ** 2)


def rodrigues_gradient(r, v):
    angle = np.sqrt(r @ r)
    k = r / angle
    c, s = np.cos(angle), np.sin(angle)
    kv = k @ v
    e = v * c + np.cross(k, v) * s + k * kv * (1 - c) - np.array([0.2, -0.5, 0.7])
    angle_bar = e @ (-v * s + np.cross(k, v) * c + k * kv * s)
    k_bar = np.cross(v, e) * s + (1 - c) * (e * kv + v * (k @ e))
    v_bar = e * c + np.cross(e, k) * s + k * (k @ e) * (1 - c)
    r_bar = k * angle_bar + (k_bar - k * (k @ k_bar)) / angle
    return r_bar, v_bar


def heading(degrees, point):
    """A point seen from a vehicle whose heading is given in degrees."""
    a = degrees * (np.pi / 180)
    c, s = np.cos(a), np.sin(a)
    return np.stack([c * point[0] + s * point[1], c * point[1] - s * point[0]])


def heading_vjp(degrees, point, y_bar):
    a = degrees * (np.pi / 180)
    c, s = np.cos(a), np.sin(a)
    a_bar = y_bar[0] * (c * point[1] - s * point[0]) - y_bar[1] * (c * point[0] + s * point[1])
    point_bar = np.stack([c * y_bar[0] - s * y_bar[1], s * y_bar[0] + c * y_bar[1]])
    return a_bar * (np.pi / 180), point_bar


def camera(point, shift, focal):
    """Residual of a pinhole projection."""
    p = point + shift
    return focal * p[:2] / p[2] - np.array([0.3, -0.2])


def camera_jacobian(point, shift, focal):
    p = point + shift
    scale = focal / p[2]
    left = scale * np.eye(2)
    depth = -focal * p[:2] / p[2] ** 2
    J = np.concatenate([left, depth[:, None]], axis=1)
    return J, J, p[:2] / p[2]


def triangle_area(a, b, c):
    """Area of a triangle in space."""
    n = np.cross(b - a, c - a)
    return 0.5 * np.sqrt(n @ n)


def triangle_area_gradient(a, b, c):
    n = np.cross(b - a, c - a)
    h = 0.5 * n / np.sqrt(n @ n)
    b_bar = np.cross(c - a, h)
    c_bar = np.cross(h, b - a)
    a_bar = -b_bar - c_bar
    return a_bar, b_bar, c_bar


def polar_wave(x, y):
    """exp(-r) sin(3 r) of the radius."""
    r = np.hypot(x, y)
    return np.sum(np.exp(-r) * np.sin(3 * r))


def polar_wave_gradient(x, y):
    r = np.hypot(x, y)
    slope = np.exp(-r) * (3 * np.cos(3 * r) - np.sin(3 * r))
    return slope * x / r, slope * y / r


SUBJECTS = [
    subject(
        quaternion_rotation,
        quaternion_rotation_vjp,
        "vjp",
        {"q": np.array([0.8, 0.3, -0.4, 0.33]), "v": d.normal(3)},
        Edit(
            "conj",
            "t_bar = w * y_bar + np.cross(y_bar, u)",
            "t_bar = w * y_bar - np.cross(y_bar, u)",
        ),
        Edit("missing-path", "u_outer + u_inner", "u_inner"),
        Edit("overwritten", "u_outer + u_inner]", "u_outer]"),
        Edit("half", "u_inner = 2 * np.cross", "u_inner = np.cross"),
        Edit(
            "sign",
            "v_bar = y_bar + 2 * np.cross(t_bar, u)",
            "v_bar = y_bar + 2 * np.cross(u, t_bar)",
        ),
    ),
    subject(
        complex_product,
        complex_product_vjp,
        "vjp",
        {"a": d.normal(2), "b": d.normal(2)},
        Edit(
            "conj", "y_bar[1] * b[0] - y_bar[0] * b[1]])", "-(y_bar[1] * b[0] - y_bar[0] * b[1])])"
        ),
        Edit("conj", "[y_bar[0] * a[0] + y_bar[1] * a[1]", "[y_bar[0] * a[0] - y_bar[1] * a[1]"),
    ),
    subject(
        rodrigues,
        rodrigues_gradient,
        "gradient",
        {"r": np.array([0.4, -0.7, 0.5]), "v": d.normal(3)},
        Edit("missing-path", "(k_bar - k * (k @ k_bar)) / angle", "k_bar / angle"),
        Edit("missing-path", "k * angle_bar + (k_bar", "(k_bar"),
        Edit("sign", "np.cross(e, k) * s + k", "np.cross(k, e) * s + k"),
        Edit("missing-factor", "(k @ k_bar)) / angle", "(k @ k_bar))"),
    ),
    subject(
        heading,
        heading_vjp,
        "vjp",
        {"degrees": np.array(37.0), "point": d.normal(2)},
        Edit("units", "a_bar * (np.pi / 180), point_bar", "a_bar, point_bar"),
        Edit("units", "a_bar * (np.pi / 180), point_bar", "a_bar * (180 / np.pi), point_bar"),
        Edit(
            "transpose",
            "[c * y_bar[0] - s * y_bar[1], s * y_bar[0] + c",
            "[c * y_bar[0] + s * y_bar[1], -s * y_bar[0] + c",
        ),
    ),
    subject(
        camera,
        camera_jacobian,
        "jacobian",
        {
            "point": np.array([0.4, -0.3, 2.0]),
            "shift": np.array([0.1, 0.2, 0.5]),
            "focal": np.array(1.7),
        },
        Edit("sign", "depth = -focal", "depth = focal"),
        Edit("missing-factor", "p[2] ** 2", "p[2]"),
        Edit("wrong-point", "scale = focal / p[2]", "scale = focal / point[2]"),
        Edit("missing-factor", "J, J, p[:2] / p[2]", "J, J, p[:2]"),
    ),
    subject(
        triangle_area,
        triangle_area_gradient,
        "gradient",
        {"a": d.normal(3), "b": d.normal(3), "c": d.normal(3)},
        Edit("missing-path", "-b_bar - c_bar", "-b_bar"),
        Edit("sign", "np.cross(h, b - a)", "np.cross(b - a, h)"),
    ),
    subject(
        polar_wave,
        polar_wave_gradient,
        "gradient",
        {"x": d.normal(4), "y": d.normal(4)},
        Edit("missing-path", "(3 * np.cos(3 * r) - np.sin(3 * r))", "3 * np.cos(3 * r)"),
        Edit("missing-factor", "(3 * np.cos(3 * r)", "(np.cos(3 * r)"),
        Edit("negative-side", "slope * x / r,", "slope * np.abs(x) / r,"),
    ),
]
