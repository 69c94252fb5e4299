-- KEYS: meta. Answer: the new epoch.
start_epoch()
return epoch
