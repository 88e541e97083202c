#include "job.h"

#include <string.h>

#define SPARE_MAX 128

void jobs_init(struct jobs *jobs)
{
	jobs->first = NULL;
	jobs->last = &jobs->first;
	jobs->count = 0;
}

void jobs_add(struct jobs *jobs, struct job *job)
{
	job->next = NULL;
	*jobs->last = job;
	jobs->last = &job->next;
	jobs->count++;
}

struct job *jobs_take(struct jobs *jobs)
{
	struct job *job = jobs->first;

	if (!job)
		return NULL;
	jobs->first = job->next;
	if (!jobs->first)
		jobs->last = &jobs->first;
	jobs->count--;
	return job;
}

void jobs_move(struct jobs *from, struct jobs *to, size_t most)
{
	for (size_t i = 0; i < most && from->first; i++)
		jobs_add(to, jobs_take(from));
}

struct job *job_new(struct jobs *spare)
{
	struct job *job = jobs_take(spare);

	if (!job) {
		job = malloc(sizeof(*job));
		if (job)
			memset(&job->request, 0, sizeof(job->request));
	}
	return job;
}

static void job_release(struct job *job)
{
	buffer_release(&job->request.text);
	free(job);
}

void job_free(struct jobs *spare, struct job *job)
{
	struct buffer text = job->request.text;

	fields_release(&job->request.fields);
	if (spare->count == SPARE_MAX) {
		job_release(job);
		return;
	}
	memset(&job->request, 0, sizeof(job->request));
	buffer_clear(&text);
	job->request.text = text;
	jobs_add(spare, job);
}

void jobs_release(struct jobs *spare)
{
	struct job *job;

	while ((job = jobs_take(spare)))
		job_release(job);
}
