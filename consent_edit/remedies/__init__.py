"""Remedies, only on request: a group photo made fit for an edit with some of its people's consent.

Each is a pure function of a picture and of what was seen in it. Who consents is told from outside; whatever a
remedy makes is looked at and judged again like any picture, so none of them can permit anything.
"""
