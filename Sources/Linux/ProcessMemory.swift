import CLinux

/// The process's own memory.
package enum ProcessMemory {
    /// Gives back the pages of program and library code (madvise(2), MADV_DONTNEED on read-only executable mappings).
    ///
    /// Starting up runs much code that is never needed again. What is needed comes back from the page cache, by minor faults.
    package static func releaseCodePages() {
        _ = linux_release_code_pages()  // An advice: a kernel that does not take it changes nothing.
    }
}
