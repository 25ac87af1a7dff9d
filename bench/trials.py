"""All trials."""

from bench import acks, appends, cluster, recovery, stalled
from bench.trial import Trial
from bench.workloads import IDLE, THROUGHPUT

TRIALS: tuple[Trial, ...] = (recovery.TRIAL, appends.TRIAL, acks.TRIAL, stalled.TRIAL, cluster.TRIAL)

ALL_KEYS = (*(work.key for work in THROUGHPUT), IDLE.key, *(trial.key for trial in TRIALS))
