# stats.awk - medians over the rounds of results.tsv; for table.awk and the pictures, before them
#
# Afterwards: order[1..n_cells] are the cells, WORKLOAD SUBSEP SERVER, as they came; median_of(cell, column),
# and ratio(cell, server), which is made within each round.
BEGIN {
    FS = "\t"
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

# Returns the median of list[1..m], which it sorts; -1 when there is nothing.
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

# Returns processor time of the server against another's in the same rounds; -1 when that was
# not measured. Sets spread: largest less smallest, as a share of the median.
function ratio(cell, other,    parts, list, m, i, r, middle) {
    split(cell, parts, SUBSEP)
    for (i = 1; i <= n[cell]; i++) {
        r = round[cell, i]
        if (cpu[r, parts[1], other] > 0)
            list[++m] = cpu[r, parts[1], parts[2]] / cpu[r, parts[1], other]
    }
    middle = median(list, m)
    spread = middle > 0 ? (list[m] - list[1]) / middle : 0
    return middle
}
