"""Mechanisms that keep one failing, slow or flooded tool from hurting its neighbours; guards wrap them."""
