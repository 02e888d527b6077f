// Addresses between our form and the kernel's; for the sources of this module alone.
#pragma once

#include <sys/socket.h>

#include "CLinux.h"

/// Fills `storage` and returns how much of it counts: nothing for family 0.
socklen_t linux_to_sockaddr(const struct linux_address *address, struct sockaddr_storage *storage);
/// Family 0 for what is neither IPv4 nor IPv6.
void linux_from_sockaddr(const struct sockaddr_storage *storage, struct linux_address *address);
