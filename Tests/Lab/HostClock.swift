extension Host {
    /// Sets this host's wall clock off by so many seconds, for every program that starts there from now on.
    ///
    /// There is one wall clock for all namespaces: a library that is loaded into every program of the host adds the
    /// difference. Time that only goes forward (CLOCK_MONOTONIC) is left alone, as on a host whose clock is set wrong.
    package func setClockOff(bySeconds seconds: Int) throws(LabError) {
        try run(
            "cc", "-shared", "-fPIC", "-O1", "-DSHIFT=\(seconds)", "-x", "c", "-o", "/usr/lib/clock-shift.so", "-",
            input: """
                #include <sys/syscall.h>
                #include <sys/time.h>
                #include <time.h>
                #include <unistd.h>
                int clock_gettime(clockid_t clock, struct timespec *now) {
                    long result = syscall(SYS_clock_gettime, clock, now);
                    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += SHIFT;
                    return result;
                }
                int gettimeofday(struct timeval *now, void *zone) {
                    struct timespec precise;
                    clock_gettime(CLOCK_REALTIME, &precise);
                    now->tv_sec = precise.tv_sec;
                    now->tv_usec = precise.tv_nsec / 1000;
                    return 0;
                }
                time_t time(time_t *now) {
                    struct timespec precise;
                    clock_gettime(CLOCK_REALTIME, &precise);
                    if (now) *now = precise.tv_sec;
                    return precise.tv_sec;
                }

                """)
        try shell("echo /usr/lib/clock-shift.so >/etc/ld.so.preload")
    }
}
