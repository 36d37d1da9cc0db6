"""Stock Debian machines as guests of qemu, made of Debian's packages alone."""
