# ratios.awk - all servers against the C reference, as a picture (SVG)
#
#   awk -f stats.awk -f ratios.awk results.tsv
#
# A row for each workload but W5 and W8; a dot for each server, at its processor time for each
# message divided by the reference's. The axis is logarithmic: 1 is the reference, left is better.

function log10(x) {
    return log(x) / log(10)
}

function px(times) {
    times = times < least ? least : times > most ? most : times
    return 110 + (log10(times) - log10(least)) / (log10(most) - log10(least)) * 780
}

function say(x, y, class, text) {
    printf "<text x=\"%.1f\" y=\"%.1f\" class=\"%s\">%s</text>\n", x, y, class, text
}

function dot(x, y, server,    is_kelpie) {
    is_kelpie = server == "kelpie"
    printf "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%d\" fill=\"%s\" fill-opacity=\"%s\"><title>%s</title></circle>\n",
        x, y, is_kelpie ? 7 : 5, color[server], is_kelpie ? 1 : 0.75, server
}

function legend(    i, names, m) {
    m = split("kelpie haproxy redis tarantool cqueues luv node mosquitto ngircd nats", names, " ")
    for (i = 1; i <= m; i++) {
        dot(118 + (i - 1) * 84, 76, names[i])
        say(128 + (i - 1) * 84, 80, names[i] == "kelpie" ? "title" : "", names[i])
    }
}

function is_shown(cell,    parts) {
    split(cell, parts, SUBSEP)
    return parts[1] !~ /^W[58]/ && parts[2] != "c" && ratio(cell, "c") > 0
}

function axis(bottom,    power, m, x) {
    for (power = -1; power <= 3; power++)
        for (m = 1; m <= 5; m = m == 1 ? 2 : m == 2 ? 5 : 9) {
            x = m * 10 ^ power
            if (x < least || x > most)
                continue
            printf "<path d=\"M%.1f 96V%d\" class=\"%s\"/>\n", px(x), bottom, x == 1 ? "one" : "grid"
            say(px(x), bottom + 18, "middle", x "x")
        }
}

BEGIN {
    least = 0.8
    most = 100
    color["kelpie"] = "#c2410c"
    color["haproxy"] = "#1d4ed8"
    color["redis"] = "#7f1d1d"
    color["tarantool"] = "#0f766e"
    color["cqueues"] = "#a16207"
    color["luv"] = "#6d28d9"
    color["node"] = "#15803d"
    color["mosquitto"] = "#334155"
    color["ngircd"] = "#be185d"
    color["nats"] = "#0891b2"
}

END {
    for (i = 1; i <= n_cells; i++) {
        split(order[i], parts, SUBSEP)
        if (is_shown(order[i]) && !(parts[1] in y))
            y[parts[1]] = 112 + 30 * n_rows++
    }
    bottom = 100 + 30 * n_rows
    printf "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 960 %d\" width=\"960\" height=\"%d\">\n",
        bottom + 40, bottom + 40
    print "<style>text { font: 12px sans-serif; fill: #333 } .middle { text-anchor: middle }" \
        " .title { font-weight: bold } .head { font-weight: bold; font-size: 16px }" \
        " .grid { stroke: #e4e4e4 } .one { stroke: #333 }</style>"
    printf "<rect width=\"960\" height=\"%d\" fill=\"white\"/>\n", bottom + 40
    say(20, 30, "head", "Processor time for each message, against a server in C without Lua")
    say(20, 50, "", "logarithmic; further left is better, 1x is the C reference; what is beyond the scale stands at its edge")
    legend()
    axis(bottom)
    for (workload in y)
        say(20, y[workload] + 4, "title", workload)
    for (i = n_cells; i > 0; i--) { # kelpie, which comes early, on top
        split(order[i], parts, SUBSEP)
        if (is_shown(order[i]))
            dot(px(ratio(order[i], "c")), y[parts[1]], parts[2])
    }
    print "</svg>"
}
