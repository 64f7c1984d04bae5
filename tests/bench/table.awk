# table.awk - the table of a benchmark, from its results
#
# One line for each workload and server, in the order of the results. Every figure is the
# median over the rounds; ratios are made within each round, and of them the median is taken.
BEGIN {
    FS = OFS = "\t"
}

NR == 1 {
    for (i = 1; i <= NF; i++)
        column[$i] = i
    next
}

{
    cell = $2 SUBSEP $3
    if (!(cell in n))
        order[++n_cells] = cell
    n[cell]++
    for (name in column)
        value[cell, name, n[cell]] = $column[name]
    cpu[$1, $2, $3] = $column["cpu_us"]
    round[cell, n[cell]] = $1
}

# Median of list[1..m]; sorts it.
function median(list, m,    i, j, x) {
    if (m == 0)
        return -1
    for (i = 2; i <= m; i++) {
        x = list[i]
        for (j = i - 1; j > 0 && list[j] > x; j--)
            list[j + 1] = list[j]
        list[j + 1] = x
    }
    return m % 2 ? list[(m + 1) / 2] : (list[m / 2] + list[m / 2 + 1]) / 2
}

function median_of(cell, name,    list, i) {
    for (i = 1; i <= n[cell]; i++)
        list[i] = value[cell, name, i] + 0
    return median(list, n[cell])
}

# Processor time of the server against another's in the same round; "" when that was not
# measured. Sets spread.
function ratio(cell, other,    parts, list, m, i, r, middle) {
    split(cell, parts, SUBSEP)
    for (i = 1; i <= n[cell]; i++) {
        r = round[cell, i]
        if (cpu[r, parts[1], other] > 0)
            list[++m] = cpu[r, parts[1], parts[2]] / cpu[r, parts[1], other]
    }
    if (m == 0)
        return ""
    middle = median(list, m)
    spread = middle > 0 ? (list[m] - list[1]) / middle : 0
    return middle
}

function number(x) {
    if (x < 0)
        return "-"
    return sprintf(x < 1 ? "%.3f" : x < 10 ? "%.2f" : x < 1000 ? "%.1f" : "%.0f", x)
}

END {
    format = "%-16s %-10s %9s %7s %8s %7s %10s %9s %9s %9s %9s %8s %8s\n"
    printf format, "workload", "server", "cpu us", "x C", "kelpie x", "spread", "msgs/s",
        "p50 us", "p99 us", "p99.9 us", "max us", "RSS KiB", "B/conn"
    for (i = 1; i <= n_cells; i++) {
        cell = order[i]
        split(cell, parts, SUBSEP)
        if (parts[1] != last && i > 1)
            print ""
        last = parts[1]
        spread = 0
        to_c = ratio(cell, "c")
        to_kelpie = ratio(cell, "kelpie")
        if (to_c != "")
            ratio(cell, "c")
        bytes = median_of(cell, "bytes_per_conn")
        is_idle = bytes >= 0
        printf format, parts[1], parts[2], number(median_of(cell, "cpu_us")),
            to_c == "" ? "-" : number(to_c),
            to_kelpie == "" || to_kelpie == 0 ? "-" : number(1 / to_kelpie),
            to_c == "" ? "-" : sprintf("%.0f%%", 100 * spread),
            is_idle ? "-" : number(median_of(cell, "per_second")),
            is_idle ? "-" : number(median_of(cell, "p50_us")),
            is_idle ? "-" : number(median_of(cell, "p99_us")),
            is_idle ? "-" : number(median_of(cell, "p999_us")),
            is_idle ? "-" : number(median_of(cell, "max_us")),
            median_of(cell, "rss_kib"), is_idle ? sprintf("%.0f", bytes) : "-"
    }
}
