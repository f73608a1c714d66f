# SPDX-License-Identifier: BSD-2-Clause
# clusters.gp - a cluster per line of PATH.dat, a bar per subject: median, with min and max. The first line names the
# subjects. The scale is logarithmic if MARK is not 0.

subjects = (cells - 1) / 3
set terminal svg size 320 + (30 + 14 * subjects) * lines, 600 font 'sans,13' background 'white'
set output path . '.svg'
set label 1 heading at screen 0.5, 1 center offset 0, -1.2
set yrange [0:*]
if (mark > 0) set yrange [1:*]; set logscale y
set grid ytics
set xtics nomirror scale 0 rotate by 30 right
set bmargin 10
set lmargin 22
set tmargin 3
set key outside top right
set style data histograms
set style histogram errorbars gap 1.5 linewidth 1
set errorbars linecolor rgb '#202020'
set style fill solid 0.8 noborder
plot for [i = 0:subjects - 1] path . '.dat' using 3 * i + 2:3 * i + 3:3 * i + 4:xtic(1) \
	title columnheader(3 * i + 2)
