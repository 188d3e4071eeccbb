"""Rules run in NumPy float64 on problems of known solution: what proofs are held against and refutations replay."""
