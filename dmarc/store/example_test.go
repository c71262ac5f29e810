package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store/sqlite"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

const report = `<feedback>
 <report_metadata><org_name>Example Mail</org_name><email>dmarc@mail.example</email><report_id>1</report_id>
  <date_range><begin>1795392000</begin><end>1795478399</end></date_range></report_metadata>
 <policy_published><domain>shop.example</domain><p>reject</p></policy_published>
 <record><row><source_ip>192.0.2.1</source_ip><count>7</count>
  <policy_evaluated><disposition>none</disposition><dkim>pass</dkim><spf>fail</spf></policy_evaluated></row>
  <identifiers><header_from>shop.example</header_from></identifiers><auth_results/></record>
</feedback>`

// A report that is delivered twice counts once.
func Example() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	now := func() time.Time { return time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC) }
	s, err := store.Open(ctx, sqlite.File{Path: filepath.Join(dir, "dmarc.db")}, store.Config{Counts: tally.Config{Now: now}})
	if err != nil {
		panic(err)
	}
	defer s.Close()

	for range 2 {
		delivery := &store.Delivery{Source: "example"}
		err := unpack.Walk(strings.NewReader(report), unpack.Limits{}, func(doc *unpack.Document) error {
			entry, err := tally.Read(doc)
			delivery.Entries = append(delivery.Entries, entry)
			return err
		})
		if err != nil {
			panic(err)
		}
		results, err := s.Commit(ctx, delivery)
		if err != nil {
			panic(err)
		}
		fmt.Println(results[0].Outcome)
	}
	for _, series := range s.Snapshot().Series[tally.Messages] {
		fmt.Println(series.Labels, series.Value)
	}
	// Output:
	// counted
	// duplicate
	// [shop.example none pass fail] 7
}

// A program takes other domains without being started again.
func ExampleStore_SetDomains() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	s, err := store.Open(ctx, sqlite.File{Path: filepath.Join(dir, "dmarc.db")}, store.Config{Counts: tally.Config{Domains: []string{"shop.example"}}})
	if err != nil {
		panic(err)
	}
	defer s.Close()
	if err := s.SetDomains(ctx, []string{"shop.example", "news.example"}); err != nil {
		panic(err)
	}
	for _, domain := range s.Snapshot().Domains {
		fmt.Println(domain.Name)
	}
	// Output:
	// news.example
	// shop.example
}

// A store moves to another file while it is in use; to move it to PostgreSQL, name a
// postgres.Database.
func ExampleCopy() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	from, to := sqlite.File{Path: filepath.Join(dir, "dmarc.db")}, sqlite.File{Path: filepath.Join(dir, "moved.db")}
	s, err := store.Open(ctx, from, store.Config{})
	if err != nil {
		panic(err)
	}
	defer s.Close()
	checked, err := store.Copy(ctx, from, to, nil)
	if err != nil {
		panic(err)
	}
	fmt.Println(checked.Reports, "reports are kept in the copy")
	_, err = store.Copy(ctx, from, to, nil)
	fmt.Println(errors.Is(err, store.ErrExists))
	// Output:
	// 0 reports are kept in the copy
	// true
}

// Somebody is shown reports about one of the domains, and nothing of the others.
func ExampleView_Only() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	ctx, file := context.Background(), sqlite.File{Path: filepath.Join(dir, "dmarc.db")}
	s, err := store.Open(ctx, file, store.Config{})
	if err != nil {
		panic(err)
	}
	defer s.Close()
	view, err := file.View(ctx)
	if err != nil {
		panic(err)
	}
	defer view.Close()
	only, err := view.Only(ctx, []string{"shop.example"})
	if err != nil {
		panic(err)
	}
	_, found, err := store.AskReports(ctx, only, store.ReportQuestion{})
	if err != nil {
		panic(err)
	}
	fmt.Println(found, "reports about shop.example")
	// Output: 0 reports about shop.example
}
