# growth.awk - W8 as a picture (SVG): processor time for each message, against how many there are
#
#   awk -f stats.awk -f growth.awk results.tsv
#
# Three panels: connections, members of a room, timers. Both axes are logarithmic; where a line
# is flat, cost does not grow.

function log10(x) {
    return log(x) / log(10)
}

function px(count) {
    return left + 20 + (log10(count) - 1) / 3 * (width - 40)
}

function py(us) {
    return top + height - (log10(us) - low) / (high - low) * height
}

function say(x, y, class, text) {
    printf "<text x=\"%.1f\" y=\"%.1f\" class=\"%s\">%s</text>\n", x, y, class, text
}

# The frame of a panel, its scales from low to high, powers of ten and twice and five times them.
function frame(title, what,    count, us, power, m) {
    printf "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" class=\"frame\"/>\n", left, top, width, height
    say(left, top - 14, "title", title)
    for (count = 10; count <= 10000; count *= 10)
        say(px(count), top + height + 18, "middle", count)
    say(left + width / 2, top + height + 38, "middle", what)
    for (power = -2; power <= 3; power++)
        for (m = 1; m <= 5; m = m == 1 ? 2 : m == 2 ? 5 : 9) {
            us = m * 10 ^ power
            if (log10(us) < low - 0.001 || log10(us) > high + 0.001)
                continue
            printf "<path d=\"M%d %.1fh%d\" class=\"grid\"/>\n", left, py(us), width
            say(left - 6, py(us) + 4, "end", us)
        }
}

# One server's line.
function curve(prefix, server, place,    i, parts, count, us, d, dots) {
    for (i = 1; i <= n_cells; i++) {
        split(order[i], parts, SUBSEP)
        if (index(parts[1], prefix) != 1 || parts[2] != server)
            continue
        count = substr(parts[1], length(prefix) + 1)
        us = median_of(order[i], "cpu_us")
        d = d sprintf("%s%.1f %.1f", d == "" ? "M" : "L", px(count), py(us))
        dots = dots sprintf("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\" class=\"%s dot\"/>\n", px(count), py(us), server)
    }
    if (d == "")
        return
    printf "<path d=\"%s\" class=\"%s line\"/>\n%s", d, server, dots
    say(left + 14, top + 18 + 18 * place, "name " server, server == "c" ? "C reference" : server)
}

# Sets low and high to what holds all figures of the panel.
function scale(prefix,    i, parts, us) {
    low = 99
    high = -99
    for (i = 1; i <= n_cells; i++) {
        split(order[i], parts, SUBSEP)
        if (index(parts[1], prefix) != 1)
            continue
        us = log10(median_of(order[i], "cpu_us"))
        low = us < low ? us : low
        high = us > high ? us : high
    }
    low -= 0.4
    high += 0.5
    return low < 90
}

function panel(place, prefix, title, what) {
    left = 60 + place * 320
    if (!scale(prefix))
        return
    frame(title, what)
    curve(prefix, "c", 1)
    curve(prefix, "kelpie", 0)
}

END {
    top = 90
    width = 250
    height = 260
    print "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 980 420\" width=\"980\" height=\"420\">"
    print "<style>text { font: 12px sans-serif; fill: #333 } .middle { text-anchor: middle }" \
        " .end { text-anchor: end } .title { font-weight: bold; font-size: 13px }" \
        " .head { font-weight: bold; font-size: 16px } .frame { fill: none; stroke: #999 }" \
        " .grid { stroke: #e4e4e4 } .line { fill: none; stroke-width: 2 } .name { font-weight: bold }" \
        " .line.kelpie { stroke: #c2410c } .dot.kelpie, .name.kelpie { fill: #c2410c }" \
        " .line.c { stroke: #1d4ed8 } .dot.c, .name.c { fill: #1d4ed8 }</style>"
    print "<rect width=\"980\" height=\"420\" fill=\"white\"/>"
    say(60, 32, "head", "What a message costs when there are many")
    say(60, 52, "", "microseconds of the server's processor time; both axes are logarithmic")
    panel(0, "W8.conns.", "ping-pong", "connections")
    panel(1, "W8.room.", "a line to a room, per member", "members")
    panel(2, "W8.timers.", "echo, and a timer replaced", "timers that wait")
    print "</svg>"
}
