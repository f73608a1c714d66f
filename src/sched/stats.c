/* SPDX-License-Identifier: BSD-2-Clause */
/* stats.c - what the runtime has done, added up; who counts does so on its own, without locked instructions */
#include <ellula/stats.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "base/lock.h"
#include "sched/handoff.h"
#include "sched/interrupt.h"
#include "sched/vcpu.h"

EXPORT void ell_stats_get(struct ell_stats *stats)
{
	*stats = (struct ell_stats){.vcpus = runtime.rt_count,
				    .vcpus_active = load_relaxed(&runtime.rt_active),
				    .lwps = load_acquire(&runtime.rt_lwp_count), /* ORD lwps-1: pairs with ORD lwps-2 */
				    .lwps_max = runtime.rt_lwp_max,
				    .interrupts = load_relaxed(&interrupt_counts.kicks),
				    .gave_up = load_relaxed(&lock_gave_up)};
	handoff_count(&stats->lwps_spare, &stats->lwps_away);
	for (unsigned i = 0; i < stats->vcpus; i++) {
		const struct vcpu *vc = &runtime.rt_vcpus[i];

		stats->switches += load_relaxed(&vc->vc_switches);
		stats->rounds += load_relaxed(&vc->vc_rounds);
		stats->steals += load_relaxed(&vc->vc_steals);
		stats->sleeps += load_relaxed(&vc->vc_sleeps);
		stats->handoffs += load_relaxed(&vc->vc_handoffs);
	}
	for (unsigned i = 0; i < stats->lwps; i++) {
		const struct lwp *lw = &runtime.rt_lwps[i];

		stats->kicks += load_relaxed(&lw->lw_kicks);
		stats->handoff_ns += load_relaxed(&lw->lw_handoff_ns);
		for (unsigned k = 0; k < ELL_SLICES; k++)
			stats->slices[k] += load_relaxed(&lw->lw_slices[k]);
	}
}
