/* The nth call that writes to a file, or makes one, and all behind it fail as where there is no space (FAULT_AT, from 0).
   Moving files takes no space. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_long calls;
static long at = -2;

static int full(void) {
    if (at == -2) {
        const char *text = getenv("FAULT_AT");
        at = text ? atol(text) : -1;
    }
    if (at < 0 || atomic_fetch_add(&calls, 1) < at)
        return 0;
    errno = ENOSPC;
    return 1;
}

static int regular(int fd) {
    struct stat s;
    return fd > 2 && fstat(fd, &s) == 0 && S_ISREG(s.st_mode);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *from, size_t n) {
    if (regular(fd) && full())
        return -1;
    return REAL(write)(fd, from, n);
}

ssize_t writev(int fd, const struct iovec *from, int n) {
    if (regular(fd) && full())
        return -1;
    return REAL(writev)(fd, from, n);
}

ssize_t pwrite64(int fd, const void *from, size_t n, off64_t to) {
    if (regular(fd) && full())
        return -1;
    return REAL(pwrite64)(fd, from, n, to);
}

int ftruncate64(int fd, off64_t length) {
    if (regular(fd) && full())
        return -1;
    return REAL(ftruncate64)(fd, length);
}

int fsync(int fd) {
    if (regular(fd) && full())
        return -1;
    return REAL(fsync)(fd);
}

int fdatasync(int fd) {
    if (regular(fd) && full())
        return -1;
    return REAL(fdatasync)(fd);
}

int mkdir(const char *path, mode_t mode) {
    if (full())
        return -1;
    return REAL(mkdir)(path, mode);
}

int open64(const char *path, int flags, ...) {
    mode_t mode = 0;
    if (flags & O_CREAT) {
        va_list more;
        va_start(more, flags);
        mode = va_arg(more, mode_t);
        va_end(more);
        if (full())
            return -1;
    }
    return REAL(open64)(path, flags, mode);
}
