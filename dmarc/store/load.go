package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

// load reads everything that lives in memory.
func (s *Store) load(ctx context.Context) error {
	rows, l, err := readCounts(ctx, s.db)
	if err != nil {
		return err
	}
	if err := s.tally.Load(rows); err != nil {
		return Damaged(s.db.Name(), "%w", err)
	}
	s.ledger = l
	for _, source := range rows.Sources {
		s.counted(source.Last)
	}
	clear(s.verified)
	s.filters = filters{}
	// Another server may have taken over, which lacks what was committed last, and
	// other processes drop what no report uses.
	clear(s.known.months)
	clear(s.known.senders)
	return nil
}

// counts is where the tables of counts are read from.
type counts interface {
	Name() string
	Rows(ctx context.Context, table *Table, visit func(row []any) error) error
}

// readCounts reads the tables and holds them to their guards and numbers.
func readCounts(ctx context.Context, db counts) (*tally.Rows, *ledger, error) {
	rows := &tally.Rows{Expired: -1}
	l := &ledger{map[tally.Day]identityDay{}, map[string]int64{}}
	if err := readTotals(ctx, db, l); err != nil {
		return nil, nil, err
	}
	if len(l.totals) == 0 { // before the first transaction
		return rows, l, nil
	}
	for _, name := range totalNames() {
		if _, ok := l.totals[name]; !ok {
			return nil, nil, Damaged(db.Name(), "totals: no %s", name)
		}
	}
	rows.Expired = l.totals[totalExpired]
	if err := readRows(ctx, db, rows, l, l); err != nil {
		return nil, nil, err
	}
	if n := l.identities(); n != l.totals[totalIdentities] {
		return nil, nil, Damaged(db.Name(), "%d identities of %d", n, l.totals[totalIdentities])
	}
	return rows, l, nil
}

// readTotals reads what tables come to.
func readTotals(ctx context.Context, db counts, l *ledger) error {
	return readTable(ctx, db, tableTotals, func(r []any) error {
		l.totals[r[0].(string)] = r[1].(int64)
		return nil
	}, nil)
}

// readRows reads the rows of all other tables, and holds their number to those
// of a ledger, if there is one.
func readRows(ctx context.Context, db counts, rows *tally.Rows, l, number *ledger) error {
	for _, one := range []struct {
		table *Table
		read  func(r []any) error
	}{
		{tableSums, func(r []any) error { return readSum(rows, r) }},
		{tableDays, func(r []any) error {
			rows.Days = append(rows.Days, tally.DayRow{Day: tally.Day(r[0].(int64)), Domain: r[1].(string), Class: tally.Class(r[2].(string)), Messages: r[3].(int64)})
			return nil
		}},
		{tableDomains, func(r []any) error { return readDomain(rows, r) }},
		{tableNames, func(r []any) error {
			rows.Names = append(rows.Names, tally.NameRow{Pool: r[0].(string), Name: r[1].(string)})
			return nil
		}},
		{tableSources, func(r []any) error {
			rows.Sources = append(rows.Sources, tally.SourceRow{Source: unquoteMark(r[0].(string)), Last: time.UnixMilli(r[1].(int64)).UTC()})
			return nil
		}},
		{tableIdentityDays, func(r []any) error {
			l.days[tally.Day(r[0].(int64))] = identityDay{r[1].(int64), r[2].(int64)}
			return nil
		}},
	} {
		if err := readTable(ctx, db, one.table, one.read, number); err != nil {
			return err
		}
	}
	return nil
}

// readTable reads a table and checks its guards, and with a ledger its number of rows.
func readTable(ctx context.Context, db counts, t *Table, read func(row []any) error, l *ledger) error {
	count := int64(0)
	var bad error
	err := db.Rows(ctx, t, func(row []any) error {
		count++
		values, sealed := row[:len(row)-1], row[len(row)-1]
		if sealed != guard(t.Name, values) {
			bad = errors.New("wrong checksum")
		} else {
			bad = read(values)
		}
		return bad
	})
	if err == nil && l != nil && count != l.totals[t.Name] {
		bad = fmt.Errorf("%d rows of %d", count, l.totals[t.Name])
	}
	if bad != nil {
		return Damaged(db.Name(), "%s: %w", t.Name, bad)
	}
	return err
}

func readSum(rows *tally.Rows, r []any) error {
	var labels []string
	if err := json.Unmarshal([]byte(r[1].(string)), &labels); err != nil {
		return err
	}
	rows.Sums = append(rows.Sums, tally.SumRow{
		Key: tally.KeyOf(tally.Family(r[0].(string)), labels...), Value: r[2].(int64), Created: time.UnixMilli(r[3].(int64)).UTC(),
	})
	return nil
}

func readDomain(rows *tally.Rows, r []any) error {
	row := tally.DomainRow{Domain: r[0].(string), LastEnd: time.UnixMilli(r[1].(int64)).UTC()}
	if text := r[2].(string); text != "" {
		row.Policy = new(dmarc.Policy)
		if err := json.Unmarshal([]byte(text), row.Policy); err != nil {
			return err
		}
	}
	rows.Domains = append(rows.Domains, row)
	return nil
}

// policyText writes a policy as JSON, and none as nothing.
func policyText(p *dmarc.Policy) (string, error) {
	if p == nil {
		return "", nil
	}
	text, err := json.Marshal(p)
	return string(text), err
}
