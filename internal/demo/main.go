package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	check := flag.Bool("check", false, "check what runs, and end")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *check); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// run starts everything, and stops it before it returns.
func run(ctx context.Context, check bool) (err error) {
	h := &host{}
	defer h.close()
	defer h.recover(&err)
	began := time.Now()
	d := start(ctx, h)
	fmt.Printf("\nAll runs, after %.0f s.\n\n%s\n", time.Since(began).Seconds(), d.addresses())
	if !check {
		fmt.Println("Ctrl-C stops everything.")
		<-ctx.Done()
		return nil
	}
	err = d.check(ctx)
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	fmt.Printf("\n%.0f s in all.\n", time.Since(began).Seconds())
	return err
}
