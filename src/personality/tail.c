/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tail.c - the few instructions between the one that a jump has replaced and the system call
 *
 * A compiler that has a system call in the middle of a function puts its arguments where they belong in any order: the
 * last instruction of five bytes before the call may be any of them, and moves between registers follow. These stay
 * where they are, for a thread that is just there; who comes by the jump has them done here. None of them writes to
 * memory, or reads from it.
 *
 * This file is compiled without vector registers: the program's are in use, and are not saved here.
 */
#include "personality/tail.h"

#include <stddef.h>
#include <string.h>

enum { REX = 0x40, REX_W = 8, REX_R = 4, REX_B = 1, RSP = 4, ZERO_FLAG = 1 << 14 };

/* An instruction with a ModRM byte. */
struct shape {
	unsigned rex;
	bool has_rex;
	unsigned opcode; /* 0x0f.. for those of two bytes */
	unsigned mode;
	unsigned reg; /* with what the prefix adds */
	unsigned rm;
	const uint8_t *rest;
};

uint64_t *tail_register(struct entry_regs *g, unsigned number)
{
	static const uint8_t places[16] = {
		offsetof(struct entry_regs, rax), 0xff,
		offsetof(struct entry_regs, rdx), offsetof(struct entry_regs, rbx),
		offsetof(struct entry_regs, rsp), offsetof(struct entry_regs, rbp),
		offsetof(struct entry_regs, rsi), offsetof(struct entry_regs, rdi),
		offsetof(struct entry_regs, r8),  offsetof(struct entry_regs, r9),
		offsetof(struct entry_regs, r10), 0xff,
		offsetof(struct entry_regs, r12), offsetof(struct entry_regs, r13),
		offsetof(struct entry_regs, r14), offsetof(struct entry_regs, r15),
	};

	return places[number] == 0xff ? NULL : (uint64_t *)((char *)g + places[number]);
}

static void read_shape(const uint8_t *code, struct shape *s)
{
	s->has_rex = (*code & 0xf0) == REX;
	s->rex = s->has_rex ? *code++ : 0;
	s->opcode = *code++;
	if (s->opcode == 0x0f)
		s->opcode = 0x0f00 | *code++;
	s->mode = *code >> 6;
	s->reg = (*code >> 3 & 7) | (s->rex & REX_R ? 8 : 0);
	s->rm = (*code & 7) | (s->rex & REX_B ? 8 : 0);
	s->rest = code + 1;
}

static int32_t read_word(const uint8_t *at)
{
	int32_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

/* 32 bits of a result fill the upper half with zeros. */
static void set(const struct shape *s, uint64_t *reg, uint64_t value)
{
	*reg = s->rex & REX_W ? value : (uint32_t)value;
}

/* lea N(%rip), and lea N(%reg). */
static const uint8_t *load_address(const struct shape *s, struct entry_regs *g)
{
	uint64_t *to = tail_register(g, s->reg), *base = tail_register(g, s->rm);
	const uint8_t *end = s->rest + (s->mode == 1 ? 1 : 4);

	if (!to || s->mode == 3 || (s->rm & 7) == RSP || !(s->rex & REX_W))
		return NULL;
	if (s->mode == 0) {
		if ((s->rm & 7) != 5)
			return NULL;
		*to = (uint64_t)(uintptr_t)end + (uint64_t)(int64_t)read_word(s->rest);
		return end;
	}
	if (!base)
		return NULL;
	*to = *base + (uint64_t)(int64_t)(s->mode == 1 ? (int8_t)*s->rest : read_word(s->rest));
	return end;
}

/* From a register to another, or the same. */
static const uint8_t *move(const struct shape *s, uint64_t *reg, uint64_t *rm)
{
	switch (s->opcode) {
	case 0x89: /* mov */
		set(s, rm, *reg);
		return s->rest;
	case 0x63: /* movslq */
		set(s, reg, (uint64_t)(int64_t)(int32_t)*rm);
		return s->rest;
	case 0x31: /* xor, of a register with itself */
		*rm = 0;
		return reg == rm ? s->rest : NULL;
	default:
		return NULL;
	}
}

/* Of one register; what else there is of the operation stands in the place of the other one's number. */
static const uint8_t *change(const struct shape *s, const struct entry_regs *g, uint64_t *rm)
{
	uint64_t small = (uint64_t)(int8_t)*s->rest;

	switch (s->opcode << 4 | (s->reg & 7)) {
	case 0x831: /* or */
		set(s, rm, *rm | small);
		return s->rest + 1;
	case 0x834: /* and */
		set(s, rm, *rm & small);
		return s->rest + 1;
	case 0xc14: /* shl */
		set(s, rm, *rm << (small & 31));
		return s->rest + 1;
	case 0xf950: /* setne; without a prefix, others than the first four are meant */
		if (!s->has_rex && s->rm >= RSP)
			return NULL;
		*rm = (*rm & ~UINT64_C(0xff)) | !(g->flags & ZERO_FLAG);
		return s->rest;
	default:
		return NULL;
	}
}

/* The instruction at CODE: what follows it, or NULL. */
static const uint8_t *step(const uint8_t *code, struct entry_regs *g)
{
	const uint8_t *next;
	uint64_t *reg, *rm;
	struct shape s;

	read_shape(code, &s);
	if (s.opcode == 0x8d)
		return load_address(&s, g);
	reg = tail_register(g, s.reg);
	rm = tail_register(g, s.rm);
	if (s.mode != 3 || !rm || rm == &g->rsp)
		return NULL;
	next = change(&s, g, rm);
	return next || !reg || reg == &g->rsp ? next : move(&s, reg, rm);
}

bool tail_run(const uint8_t *code, unsigned size, struct entry_regs *g)
{
	const uint8_t *end = code + size;

	while (code && code < end)
		code = step(code, g);
	return code == end;
}
