/* SPDX-License-Identifier: BSD-2-Clause */
/* processes.c - the simulated children: each ends at its time, with its status */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "kport/sim/files.h"
#include "kport/sim/sim.h"
#include "sys/sys.h"

struct process {
	struct process *next;
	id_t pid;
	ell_time end;
	int status;
};

static struct process *processes;

void sim_process(int pid, ell_time end, int status)
{
	struct process *pr = sim_allocate(sizeof(*pr));

	*pr = (struct process){processes, (id_t)pid, end, status};
	processes = pr;
}

static struct process **process_ended(idtype_t type, id_t id, bool *any, ell_time *next)
{
	*any = false;
	*next = ELL_FOREVER;
	for (struct process **at = &processes; *at; at = &(*at)->next) {
		if (type == P_PID && (*at)->pid != id)
			continue;
		*any = true;
		if ((*at)->end <= world_now())
			return at;
		if ((*at)->end < *next)
			*next = (*at)->end;
	}
	return NULL;
}

static int sim_waitid(idtype_t type, id_t id, siginfo_t *info, int options)
{
	struct process **at, *pr;
	ell_time next;
	bool any;

	world_enter();
	while (!(at = process_ended(type, id, &any, &next))) {
		if (!any)
			return sim_fail(ECHILD);
		if (info)
			*info = (siginfo_t){0};
		if (options & WNOHANG)
			return 0;
		if (job_wait(&processes, next) == -EINTR)
			return sim_fail(EINTR);
	}
	pr = *at;
	if (info) {
		job_touches();
		*info = (siginfo_t){.si_signo = SIGCHLD, .si_code = CLD_EXITED};
		info->si_pid = (pid_t)pr->pid;
		info->si_status = pr->status;
	}
	if (!(options & WNOWAIT)) {
		*at = pr->next;
		free(pr);
		world_wake(&processes, UINT_MAX);
	}
	return 0;
}

void processes_begin(void)
{
	sys.waitid = sim_waitid;
}
