"""The names of everything that is recorded in MLflow: tags, metrics and artifacts."""

# --- tags of a run -------------------------------------------------------------------------------

DATASET, MODEL, OPTIMIZER, PROTOCOL, SEED = "dataset", "model", "optimizer", "protocol", "seed"
KIND = "kind"  # NETWORK or BASELINE
RUN_KEY = "run_key"  # a hash of the question; see run_key.py
CONFIG_KEY = "config_key"  # the same without the seed
QUESTION_KEY = "question_key"  # the run key without the versions
RESULT_VERSIONS = "result_versions"  # JSON: name of a part -> its version
METRIC_VERSIONS = "metric_versions"  # JSON: name of a metric -> its version
SWEEP_ID = "sweep_id"  # the sweep that made the run
SWEEP = "sweep."  # + the id of each sweep that asked for it: TRAINED, REUSED, RESUMED or FAILED
TEST, UNREAD = "test", "unread"  # the tag of a run that reads no test articles
OUTCOME = "outcome"  # FINISHED, DIVERGED, UNLEARNED, FAILED or KILLED
ERROR = "error"
OWNER, HEARTBEAT = "owner", "heartbeat"  # the process at work on it, and when it was last seen
DATA_EDITION = "data_edition"  # published, other, sample or a commit
CEILING = "best_possible_accuracy"  # of a corpus whose wrong labels are known
PUBLISHED = "published"  # JSON: the corpus's published accuracies, as in config.dataset.Published
TRIAL = "trial"  # its number in a search; also + "." + the search's sweep id: JSON, see trials.py
HOST, DEVICE, KERNEL, THREADS = "host", "device", "kernel", "threads"
DETERMINISTIC = "deterministic"  # whether torch's deterministic algorithms alone were used
GRAPH = "graph"  # of a network on a GPU: whether its training steps were CUDA graphs
CONCURRENT_JOBS = "concurrent_jobs"  # a number, or VARYING
VARYING = "varying"
# Numbers of a training that are tags, because MLflow draws a chart of every metric.
TRAINED_EPOCHS = "trained_epochs"
LEARNED_EPOCH = "learned_epoch"  # 0: never; see training/learning.py
TRAINING_SECONDS = "training_seconds"  # without validation
TRUNCATED = "truncated/"  # + train, validation or test: share of articles beyond max_length
VERSION = "version."  # + package: python, torch, ...
COPIED_FROM, COPIED_STATE = "copied_from", "copied_state"

NETWORK, BASELINE = "network", "baseline"
TRAINED, REUSED, RESUMED = "trained", "reused", "resumed"
FINISHED, DIVERGED, UNLEARNED = "finished", "diverged", "unlearned"
FAILED, KILLED = "failed", "killed"
ANSWERS = (FINISHED, DIVERGED, UNLEARNED)

# --- tags of a run's dataset ---------------------------------------------------------------------

ARTICLES = "articles"  # JSON: how many are in train, validation and test

# --- tags of the experiment ----------------------------------------------------------------------

# SWEEP + sweep id: JSON, see sweeps.py
SEARCH = "search."  # + sweep id: JSON, see trials.py

# --- metrics -------------------------------------------------------------------------------------

# At step = epoch, from 1.
TRAIN_LOSS, VAL_LOSS, VAL_ACCURACY = "train_loss", "val_loss", "val_accuracy"
VAL_MACRO_F1 = "val_macro_f1"
EPOCH_SECONDS = "epoch_seconds"
# Once, at the end.
TEST_ACCURACY, TEST_MACRO_F1 = "test_accuracy", "test_macro_f1"
TEST_ACCURACY_BATCH_MEAN = "test_accuracy_batch_mean"
BEST_EPOCH, TRAIN_SECONDS = "best_epoch", "train_seconds"  # with validation
TOKENS_PER_SECOND, PARAMETER_COUNT = "tokens_per_second", "parameter_count"
PEAK_MEMORY_BYTES = "peak_memory_bytes"
TRANSFER = "transfer/"  # + corpus + "/accuracy" or "/unknown_share"
REACH = "gradient_flow/{}_reach"  # of a column of gradient_flow.csv, such as trained_input

# --- artifacts -----------------------------------------------------------------------------------

CONFIG_FILE, LOG_FILE = "config.yaml", "log.txt"
WEIGHTS_FILE, VOCABULARY_FILE = "weights.safetensors", "vocabulary.json"
PREDICTIONS_FILE = "test_predictions.csv"  # also in transfer/<corpus>/
GRADIENT_FLOW_FILE = "gradient_flow.csv"
AUDIT_FILE = "audit.json"
COMMAND_FILE = "command-{}.txt"  # of the sweep with this id, where no tag can hold it
MODEL_FOLDER = "model"
