#include "CLinux.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

int linux_release_code_pages(void) {
    FILE *maps = fopen("/proc/self/maps", "re");
    if (!maps) return -errno;
    char line[512], rights[5], path[256];
    while (fgets(line, sizeof line, maps)) {
        uintptr_t start, end;
        path[0] = 0;
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s %*s %*s %*s %255s", &start, &end, rights, path) < 3) continue;
        // Code is never written, so what is dropped comes back from the file. (Constants may hold relocated addresses.)
        if (rights[2] == 'x' && rights[1] == '-' && path[0] == '/') madvise((void *)start, end - start, MADV_DONTNEED);
    }
    fclose(maps);
    return 0;
}
