"""Devices, replicas and several machines."""
