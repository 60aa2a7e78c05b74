"""The search for each model's settings, `hydra/sweeper=search`.

A search is one sweep. Its trials, which read no test articles, are made in batches by Hydra's
launcher, and Optuna proposes the next ones from the recorded validation figures of those before.
Sampler, batches and order are fixed by the configuration, and figures come from MLflow's record, so
a search that was killed proposes the same trials again and finds them answered.
"""
