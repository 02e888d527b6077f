#ifndef CLAB_H
#define CLAB_H

/// Makes a socket inside the network namespace at `path`; the caller's own namespace stays as it is.
/// Returns the descriptor (close-on-exec), or a negated errno.
int clab_socket_in_namespace(const char *path, int family, int type);

/// Makes a pipe, reading end first, both ends close-on-exec from the start. Returns 0, or a negated errno.
int clab_pipe(int ends[2]);

#endif
