# table.awk - the table of a benchmark: one line for each workload and server
#
#   awk -f stats.awk -f table.awk results.tsv

# Prints a number with three digits, "-" for what is not known.
function number(x) {
    if (x < 0)
        return "-"
    return sprintf(x < 1 ? "%.3f" : x < 10 ? "%.2f" : x < 100 ? "%.1f" : "%.0f", x)
}

function row(cell,    parts, bytes, to_kelpie, to_c) {
    split(cell, parts, SUBSEP)
    bytes = median_of(cell, "bytes_per_conn")
    to_kelpie = ratio(cell, "kelpie")
    to_c = ratio(cell, "c")
    printf "%-16s %-10s %9s %7s %8s %7s", parts[1], parts[2], number(median_of(cell, "cpu_us")),
        number(to_c), number(to_kelpie > 0 ? 1 / to_kelpie : -1),
        to_c < 0 ? "-" : sprintf("%.0f%%", 100 * spread)
    if (bytes < 0)
        printf " %10s %9s %9s %9s %9s", number(median_of(cell, "per_second")),
            number(median_of(cell, "p50_us")), number(median_of(cell, "p99_us")),
            number(median_of(cell, "p999_us")), number(median_of(cell, "max_us"))
    else
        printf " %10s %9s %9s %9s %9s", "-", "-", "-", "-", "-"
    printf " %8d %8s\n", median_of(cell, "rss_kib"), bytes < 0 ? "-" : sprintf("%d", bytes)
    return parts[1]
}

END {
    printf "%-16s %-10s %9s %7s %8s %7s %10s %9s %9s %9s %9s %8s %8s\n", "workload", "server",
        "cpu us", "x C", "kelpie x", "spread", "msgs/s", "p50 us", "p99 us", "p99.9 us", "max us",
        "RSS KiB", "B/conn"
    for (i = 1; i <= n_cells; i++) {
        split(order[i], parts, SUBSEP)
        if (i > 1 && parts[1] != last)
            print ""
        last = row(order[i])
    }
}
