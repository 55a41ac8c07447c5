"""A small invented city for trying the platform: hospitals, doctors, rotas, patients and their past.

Everything here is a pure function of its arguments: no database, no clock, the same answer at every call.
Names, numbers and people are invented; a match with a real person or institution is chance.
"""
