# SPDX-License-Identifier: BSD-2-Clause
# ellula.gdb - see threads that do not run: (gdb) source tools/ellula.gdb
#
# For x86-64, with the library's debug information. A core that the kernel wrote will do for ell-threads; one by gcore
# will not, for that gives up on a mapping at the first guard of a stack.

define ell-threads
  set $index = 0
  while $index < next_number
    set $thread = thread_table[$index]
    if $thread && $thread->th_id
      printf "%6u  %-16s ", $index, $thread->th_name
      output (enum park_why)$thread->th_why
      printf "\n"
    end
    set $index = $index + 1
  end
end
document ell-threads
List the threads: index, name, and why they are parked; PARK_NOT: they run, or are ready.
end

# What arch_switch() left on the stack is struct frame of src/arch/x86_64/context.c.
define ell-bt
  set $context = thread_table[$arg0]->th_ctx
  set $kept_sp = $rsp
  set $kept_bp = $rbp
  set $kept_pc = $rip
  set $rsp = (char *)$context.cx_sp + 184
  set $rbp = *(long *)((char *)$context.cx_sp + 48)
  set $rip = $context.cx_pc
  backtrace
  set $rip = $kept_pc
  set $rbp = $kept_bp
  set $rsp = $kept_sp
end
document ell-bt
ell-bt INDEX: where a thread stands that does not run. For a live process: it borrows the registers.
end
