package store

// Table is one of the tables whose rows live in memory: a primary key of Keys
// columns, other columns, and a guard.
type Table struct {
	Name    string
	Columns []string
	Keys    int
	// Added is the column whose numbers are added to when a row is known, and
	// whether more columns after it are: the others are replaced, or kept with
	// Added. It is 0 for a table whose rows are replaced.
	Added int
	// Until is the column after the last one that is added to.
	Until int
}

// Row is a row to be kept.
type Row struct {
	// Values are those of the columns, strings and int64s.
	Values []any
	Guard  int64
	// Deltas are what the columns Added to Until grow by, and GuardDelta is what
	// the guard grows by, when another process may have written the row.
	Deltas     []int64
	GuardDelta int64
}

// The tables of the counts.
var (
	tableSums         = &Table{Name: "sums", Columns: []string{"family", "labels", "value", "created"}, Keys: 2, Added: 2, Until: 3}
	tableDays         = &Table{Name: "days", Columns: []string{"day", "domain", "class", "messages"}, Keys: 3, Added: 3, Until: 4}
	tableDomains      = &Table{Name: "domains", Columns: []string{"domain", "last_end", "policy"}, Keys: 1}
	tableNames        = &Table{Name: "names", Columns: []string{"pool", "name"}, Keys: 2}
	tableSources      = &Table{Name: "sources", Columns: []string{"source", "last_delivery"}, Keys: 1}
	tableIdentityDays = &Table{
		Name: "identity_days", Columns: []string{"day", "identities", "checksums"}, Keys: 1, Added: 1, Until: 3,
	}
	// tableRollups is known by its day alone to what drops rows of it.
	tableRollups = &Table{Name: "rollups", Columns: []string{"day"}, Keys: 1}
	// tableTotals counts the rows of the others: a guard cannot show a row
	// that is missing.
	tableTotals = &Table{Name: "totals", Columns: []string{"name", "value"}, Keys: 1, Added: 1, Until: 2}
)

// counted are the tables whose rows are counted.
func counted() []*Table {
	return []*Table{tableSums, tableDays, tableDomains, tableNames, tableSources, tableIdentityDays}
}

// row makes a Row that is replaced as a whole.
func (t *Table) row(values ...any) Row { return Row{Values: values, Guard: guard(t.Name, values)} }

// grown makes a Row whose numbers grew.
func (t *Table) grown(deltas []int64, values ...any) Row {
	r := t.row(values...)
	r.Deltas = deltas
	// The place of a number in the row decides its factor.
	numbers := make([]int64, 0, len(values))
	for i, v := range values {
		if _, ok := v.(int64); !ok {
			continue
		}
		n := int64(0)
		if i >= t.Added && i < t.Until {
			n = deltas[i-t.Added]
		}
		numbers = append(numbers, n)
	}
	r.GuardDelta = guardOf(numbers)
	return r
}
