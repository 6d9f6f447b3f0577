"""Echo: triggers in, notifications out.

Owns what has to be started and who has to be told, until it is done. An event, and the starts that follow
from it, are kept in one transaction before it is acknowledged; starting twice starts once, as each start
chooses its execution's id. Echo never decides how a pipeline runs.
"""
