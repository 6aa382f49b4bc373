"""Front doors: sessions, reads, batching, Redis."""
