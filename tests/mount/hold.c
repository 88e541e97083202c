/* hold FOLDER: lists a folder into memory whose page fault does not return, so that the
 * kernel holds the folder; says "held" then, and lets go at the end of its input.
 * Status 77 where that cannot be done. */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SIZE 65536

static int folder;
static char *memory;

static void *list(void *arg)
{
	return syscall(SYS_getdents64, folder, memory, SIZE) < 0 ? memory : NULL;
}

/* Memory of which every access waits for us. */
static int catch_faults(void)
{
	struct uffdio_api api = {.api = UFFD_API};
	struct uffdio_register range = {.mode = UFFDIO_REGISTER_MODE_MISSING};
	int faults = (int)syscall(SYS_userfaultfd, O_CLOEXEC);

	if (faults < 0 || ioctl(faults, UFFDIO_API, &api) < 0)
		return -1;
	memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		      -1, 0);
	if (memory == MAP_FAILED)
		return -1;
	range.range.start = (uintptr_t)memory;
	range.range.len = SIZE;
	return ioctl(faults, UFFDIO_REGISTER, &range) < 0 ? -1 : faults;
}

int main(int argc, char **argv)
{
	struct uffdio_zeropage page = {.range.len = SIZE};
	struct uffd_msg message;
	pthread_t thread;
	void *failed;
	char byte;
	int faults = catch_faults();

	if (faults < 0)
		return 77;
	page.range.start = (uintptr_t)memory;
	folder = argc == 2 ? open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (folder < 0 || pthread_create(&thread, NULL, list, NULL) != 0)
		return 2;
	if (read(faults, &message, sizeof(message)) != sizeof(message))
		return 2;
	puts("held");
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		continue;
	if (ioctl(faults, UFFDIO_ZEROPAGE, &page) < 0)
		return 2;
	pthread_join(thread, &failed);
	return failed ? 2 : 0;
}
