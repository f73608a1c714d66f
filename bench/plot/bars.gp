# SPDX-License-Identifier: BSD-2-Clause
# bars.gp - one horizontal bar per line of PATH.dat: name, median, min, max. A vertical line at MARK, unless it is 0:
# bars longer than three times MARK are cut off.

set terminal svg size 900, 90 + 32 * lines font 'sans,13' background 'white'
set output path . '.svg'
set label 1 heading at screen 0.5, 1 center offset 0, -1.2
set yrange [lines - 0.4:-0.6]
set xrange [0:*]
if (mark > 0) set xrange [0:3 * mark]
if (mark > 0) set arrow from first mark, graph 0 to first mark, graph 1 nohead linewidth 2 linecolor rgb '#c03020' front
set lmargin 50
set tmargin 3
set grid xtics
set ytics nomirror scale 0
set style fill solid 0.8 noborder
unset key
named(name, value) = sprintf('%s   %.2f', name, value)
plot path . '.dat' using ($2 / 2):0:($2 / 2):(0.32):ytic(named(stringcolumn(1), $2)) with boxxyerror \
		linecolor rgb '#3070a0', \
	'' using 2:0:3:4 with xerrorbars pointtype 0 linecolor rgb '#202020'
