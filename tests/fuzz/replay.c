/* A main() for a fuzzer without libFuzzer: gives it each file of the folders named. */
#include "input.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define INPUT_MAX (1 << 20)

static void replay_file(int folder, const char *name)
{
	static uint8_t data[INPUT_MAX];
	int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
	ssize_t size = read(fd, data, sizeof(data));

	if (size < 0) {
		perror(name);
		exit(EXIT_FAILURE);
	}
	close(fd);
	LLVMFuzzerTestOneInput(data, (size_t)size);
}

static int replay_folder(const char *path)
{
	DIR *dir = opendir(path);
	int count = 0;

	if (!dir) {
		perror(path);
		exit(EXIT_FAILURE);
	}
	for (struct dirent *entry; (entry = readdir(dir));) {
		if (entry->d_name[0] == '.')
			continue;
		replay_file(dirfd(dir), entry->d_name);
		count++;
	}
	closedir(dir);
	return count;
}

int main(int argc, char **argv)
{
	int count = 0;

	for (int i = 1; i < argc; i++)
		count += replay_folder(argv[i]);
	printf("%d inputs\n", count);
	return count ? EXIT_SUCCESS : EXIT_FAILURE;
}
