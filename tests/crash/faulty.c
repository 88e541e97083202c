#include "faulty.h"

#include "fault.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static struct faulty_mode mode;
static bool on; /* every call fails from now on */
static int calls;

void faulty_arm(const struct faulty_mode *wanted, int nth)
{
	mode = *wanted;
	on = false;
	calls = 0;
	fault_arm(nth, mode.error);
}

bool faulty_disarm(void)
{
	on = false;
	mode.kinds = 0;
	return fault_fired();
}

int faulty_calls(void)
{
	return calls;
}

int faulty_next(int nth, int gap)
{
#ifdef FAULTY_GAPS
	return nth + 1 + nth / gap;
#else
	(void)gap;
	return nth + 1;
#endif
}

static bool comes_due(void)
{
	calls++;
	if (!on && !fault_now())
		return false;
	if (mode.way == FAULTY_KILL)
		kill(getpid(), SIGKILL);
	on = mode.way == FAULTY_ON;
	errno = mode.error;
	return true;
}

static bool fails(enum faulty_kind kind)
{
	if (!(mode.kinds & (int)kind) || mode.way == FAULTY_SHORT)
		return false;
	return comes_due();
}

/* ---- memory: of our own code by --wrap, of SQLite by its configuration ---- */

#define WRAP_MEMORY(type, name, parameters, arguments)                                 \
	type __real_##name parameters;                                                 \
	type __wrap_##name parameters;                                                 \
	type __wrap_##name parameters                                                  \
	{                                                                              \
		return fails(FAULTY_MEMORY) ? 0 : __real_##name arguments;             \
	}

WRAP_MEMORY(void *, malloc, (size_t size), (size))
WRAP_MEMORY(void *, calloc, (size_t count, size_t size), (count, size))
WRAP_MEMORY(void *, realloc, (void *old, size_t size), (old, size))
WRAP_MEMORY(void *, reallocarray, (void *old, size_t count, size_t size),
	    (old, count, size))
WRAP_MEMORY(char *, strdup, (const char *text), (text))
WRAP_MEMORY(char *, realpath, (const char *path, char *to), (path, to))
WRAP_MEMORY(uint8_t *, u8_normalize,
	    (void *form, const uint8_t *text, size_t size, uint8_t *to, size_t *length),
	    (form, text, size, to, length))
WRAP_MEMORY(EVP_MD_CTX *, EVP_MD_CTX_new, (void), ())

int __wrap_asprintf(char **text, const char *format, ...);
int __wrap_asprintf(char **text, const char *format, ...)
{
	va_list arguments;
	int size = -1;

	va_start(arguments, format);
	if (!fails(FAULTY_MEMORY))
		size = vasprintf(text, format, arguments);
	va_end(arguments);
	return size;
}

static sqlite3_mem_methods sqlite_memory;

static void *sqlite_malloc(int size)
{
	return fails(FAULTY_MEMORY) ? NULL : sqlite_memory.xMalloc(size);
}

static void *sqlite_realloc(void *old, int size)
{
	return fails(FAULTY_MEMORY) ? NULL : sqlite_memory.xRealloc(old, size);
}

void faulty_install(void)
{
	sqlite3_mem_methods failing;

	if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &sqlite_memory) != SQLITE_OK)
		abort();
	failing = sqlite_memory;
	failing.xMalloc = sqlite_malloc;
	failing.xRealloc = sqlite_realloc;
	if (sqlite3_config(SQLITE_CONFIG_MALLOC, &failing) != SQLITE_OK)
		abort();
}

/* ---- the disk: these stand before those of the C library, also for SQLite. Nothing is
 * really synced: that is not what is tested here, and would take its time. ---- */

#define EXPORTED   __attribute__((visibility("default")))
#define REAL(name) ((__typeof__(&name))real(&found_##name, #name))

static void *real(void **found, const char *name)
{
	if (!*found)
		*found = dlsym(RTLD_NEXT, name);
	return *found;
}

#define REPLACE(kind, type, name, parameters, arguments)                               \
	static void *found_##name;                                                     \
	EXPORTED type name parameters                                                  \
	{                                                                              \
		return fails(kind) ? -1 : REAL(name) arguments;                        \
	}

REPLACE(FAULTY_READ, ssize_t, pread64, (int fd, void *to, size_t size, off64_t at),
	(fd, to, size, at))
REPLACE(FAULTY_WRITE, int, ftruncate64, (int fd, off64_t size), (fd, size))
REPLACE(FAULTY_WRITE, int, fallocate64, (int fd, int how, off64_t at, off64_t size),
	(fd, how, at, size))
REPLACE(FAULTY_NAME, int, mkdir, (const char *path, mode_t access), (path, access))
REPLACE(FAULTY_NAME, int, mkdirat, (int fd, const char *path, mode_t access),
	(fd, path, access))
REPLACE(FAULTY_NAME, int, unlink, (const char *path), (path))
REPLACE(FAULTY_NAME, int, unlinkat, (int fd, const char *path, int how),
	(fd, path, how))
REPLACE(FAULTY_LOOK, int, fstat64, (int fd, struct stat64 *to), (fd, to))
REPLACE(FAULTY_LOOK, int, fstatvfs64, (int fd, struct statvfs64 *to), (fd, to))
REPLACE(FAULTY_LOOK, int, flock, (int fd, int how), (fd, how))
REPLACE(FAULTY_LOOK, ssize_t, getrandom, (void *to, size_t size, unsigned int how),
	(to, size, how))

#define REPLACE_OPEN(name, parameters, arguments)                                      \
	static void *found_##name;                                                     \
	EXPORTED int name parameters                                                   \
	{                                                                              \
		va_list more;                                                          \
		mode_t access;                                                         \
                                                                                       \
		va_start(more, flags);                                                 \
		access = flags & O_CREAT ? va_arg(more, mode_t) : 0;                   \
		va_end(more);                                                          \
		return fails(FAULTY_OPEN) ? -1 : REAL(name) arguments;                 \
	}

REPLACE_OPEN(open64, (const char *path, int flags, ...), (path, flags, access))
REPLACE_OPEN(openat64, (int fd, const char *path, int flags, ...),
	     (fd, path, flags, access))

static void *found_pwrite64;
EXPORTED ssize_t pwrite64(int fd, const void *from, size_t size, off64_t at)
{
	if (fails(FAULTY_WRITE))
		return -1;
	if (mode.way == FAULTY_SHORT && size > 1 && comes_due())
		size /= 2;
	return REAL(pwrite64)(fd, from, size, at);
}

static void *found_posix_fallocate64;
EXPORTED int posix_fallocate64(int fd, off64_t at, off64_t size)
{
	return fails(FAULTY_WRITE) ? errno : REAL(posix_fallocate64)(fd, at, size);
}

static void *found_mmap64;
EXPORTED void *mmap64(void *where, size_t size, int access, int how, int fd, off64_t at)
{
	if (fd >= 0 && fails(FAULTY_READ))
		return MAP_FAILED;
	return REAL(mmap64)(where, size, access, how, fd, at);
}

EXPORTED int fdatasync(int fd)
{
	return fails(FAULTY_SYNC) ? -1 : 0;
}

EXPORTED int fsync(int fd)
{
	return fails(FAULTY_SYNC) ? -1 : 0;
}

EXPORTED int syncfs(int fd)
{
	return fails(FAULTY_SYNC) ? -1 : 0;
}

EXPORTED int msync(void *start, size_t size, int how)
{
	return fails(FAULTY_SYNC) ? -1 : 0;
}
