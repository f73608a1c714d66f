/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * date.c - dates as HTTP writes them
 *
 * Every response carries a date. gmtime_r() takes a lock of the C library and a cached string would need one of ours,
 * so the arithmetic is done here: it costs less than either.
 */
#include "date.h"

#include <stdint.h>
#include <string.h>

static const char date_days[] = "SunMonTueWedThuFriSat";
static const char date_months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

/* Days from 1 January 1970 to the first of March of YEAR: in years that start in March the leap day is the last. */
static int64_t date_march(int64_t year)
{
	return year * 365 + year / 4 - year / 100 + year / 400 - 719468;
}

static void date_digits(char *to, int count, int64_t n)
{
	while (count--) {
		to[count] = (char)('0' + n % 10);
		n /= 10;
	}
}

void date_format(char *to, time_t when)
{
	int64_t days = when / 86400, second = when % 86400, year, day, month;

	if (second < 0) {
		second += 86400;
		days--;
	}
	/* The guess is off by one at most, near the turn of a year. */
	year = (days + 719468) * 400 / 146097;
	if (date_march(year) > days)
		year--;
	else if (date_march(year + 1) <= days)
		year++;
	day = days - date_march(year);
	/* From March on, the months' lengths repeat: 153 days in five. */
	month = (5 * day + 2) / 153;
	day -= (153 * month + 2) / 5;
	month += 2;
	if (month >= 12) {
		month -= 12;
		year++;
	}

	memcpy(to, "Day, DD Mon YYYY HH:MM:SS GMT", DATE_LEN);
	memcpy(to, date_days + 3 * ((days % 7 + 11) % 7), 3);
	date_digits(to + 5, 2, day + 1);
	memcpy(to + 8, date_months + 3 * month, 3);
	date_digits(to + 12, 4, year);
	date_digits(to + 17, 2, second / 3600);
	date_digits(to + 20, 2, second / 60 % 60);
	date_digits(to + 23, 2, second % 60);
}

bool date_parse(const char *s, size_t len, time_t *when)
{
	static const char *const forms[] = {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT",
					    "%a %b %d %H:%M:%S %Y"};
	char copy[64];
	size_t i;

	if (len >= sizeof copy)
		return false;
	memcpy(copy, s, len);
	copy[len] = 0;
	for (i = 0; i < sizeof forms / sizeof *forms; i++) {
		struct tm tm = {0};
		const char *end = strptime(copy, forms[i], &tm);
		int64_t year, month;

		if (!end || *end)
			continue;
		year = tm.tm_year + 1900 - (tm.tm_mon < 2);
		month = (tm.tm_mon + 10) % 12;
		*when = (time_t)((date_march(year) + (153 * month + 2) / 5 + tm.tm_mday - 1) * 86400 +
				 tm.tm_hour * 3600 + tm.tm_min * 60 + tm.tm_sec);
		return true;
	}
	return false;
}

time_t date_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME_COARSE, &ts);
	return ts.tv_sec;
}
