"""Perception: what a picture shows and what a prompt asks; knows no policy and no consent."""
