//! The simulated endpoint: a prefix cache, a latency model, a queue and faults, with a server in front.
