package postgres_test

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/dmarc-suite/dmarc-suite/collectors/postgres"
)

// fake is a server made of recorded rows. Statements it does not know fail.
type fake struct {
	server postgres.Server

	mu      sync.Mutex
	down    error
	results map[string]result // by SQL
	asked   []string          // the SQL of every statement, with its arguments
}

type result struct {
	fields []postgres.Field
	rows   [][]string // "NULL" is none
	delay  time.Duration
	err    error
}

// numbers is a result of one row.
func numbers(columns []string, row ...string) result {
	r := result{rows: [][]string{row}}
	for _, name := range columns {
		r.fields = append(r.fields, postgres.Field{Name: name, OID: 1700})
	}
	return r
}

func (f *fake) set(sql string, r result) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.results == nil {
		f.results = map[string]result{}
	}
	f.results[sql] = r
}

func (f *fake) statements() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	asked := f.asked
	f.asked = nil
	return asked
}

func (f *fake) Server(context.Context, string) (postgres.Server, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.server, f.down
}

func (f *fake) Query(ctx context.Context, st postgres.Statement, visit func([]postgres.Field, [][]byte)) (postgres.Result, error) {
	f.mu.Lock()
	r, ok := f.results[st.SQL]
	asked := st.SQL
	if len(st.Args) > 0 {
		asked += fmt.Sprint(st.Args)
	}
	if st.Database != "" {
		asked = st.Database + ": " + asked
	}
	f.asked = append(f.asked, asked)
	err := f.down
	f.mu.Unlock()
	if err != nil {
		return postgres.Result{}, err
	}
	if !ok {
		return postgres.Result{}, fmt.Errorf("unexpected statement %q", st.SQL)
	}
	if r.delay > 0 {
		select {
		case <-time.After(r.delay):
		case <-ctx.Done():
			return postgres.Result{}, ctx.Err()
		}
	}
	for _, row := range r.rows {
		values := make([][]byte, len(row))
		for i, text := range row {
			if text != "NULL" {
				values[i] = []byte(text)
			}
		}
		visit(r.fields, values)
	}
	return postgres.Result{Fields: r.fields, Rows: len(r.rows)}, r.err
}
