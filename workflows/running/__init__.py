"""Work in one process or several, with results in the order of the tasks.

========= ============================================================"""
