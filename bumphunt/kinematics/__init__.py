"""Kinematics."""
