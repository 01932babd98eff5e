// Command oddservice is a service of the odd shapes alone, with all commands of a service. "oddservice documents <folder>"
// reads what "oddservice describe" prints, and writes openapi.json, openapi-3.0.json and exchanges.json into the folder.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"go.uber.org/fx"

	"plugboard/infra/database"
	"plugboard/infra/eventbus"
	"plugboard/infra/host/cli"
	"plugboard/infra/host/manifest"
	"plugboard/infra/host/openapi"
	"plugboard/infra/httpserver"
	"plugboard/infra/httpserver/testdata/oddshapes"
	"plugboard/infra/logging"
	"plugboard/infra/telemetry"
	"plugboard/infra/workpool"
)

func main() {
	if len(os.Args) == 3 && os.Args[1] == "documents" {
		if err := documents(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1) //nolint:forbidigo // a command's exit code
		}
		return
	}
	cli.Main(fx.Options(
		logging.Module, telemetry.Module, database.Module, workpool.Module, eventbus.Module, httpserver.Module, oddshapes.Module(),
	))
}

func documents(dir string) error {
	described, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	service, err := manifest.Parse(described)
	if err != nil {
		return err
	}
	about := openapi.About{Info: openapi.Info{
		Title: "Odd shapes", Version: "1", Description: "Odd shapes.", Contact: map[string]string{"name": "Odd"},
		License: &openapi.License{Name: "MIT", Identifier: "MIT"},
	}}
	document, err := openapi.Write(service, about, texts{})
	if err != nil {
		return err
	}
	old, err := openapi.Old(document)
	if err != nil {
		return err
	}
	shapes, err := json.MarshalIndent(shapes(), "", "  ")
	if err != nil {
		return err
	}
	for name, text := range map[string][]byte{"openapi.json": document, "openapi-3.0.json": old, "exchanges.json": shapes} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// shape is an [oddshapes.Shape] with bodies as bytes: some are no text.
type shape struct {
	oddshapes.Shape

	Exchanges []exchange
}

type exchange struct {
	oddshapes.Exchange

	Body, Answer []byte
}

func shapes() []shape {
	var all []shape
	for _, s := range oddshapes.Shapes() {
		exchanges := []exchange{}
		for _, x := range s.Exchanges {
			exchanges = append(exchanges, exchange{x, []byte(x.Body), []byte(x.Answer)})
		}
		all = append(all, shape{s, exchanges})
	}
	return all
}

// texts are words that are there: the odd shapes have no comments to take them from.
type texts struct{}

// Operation implements openapi.Texts.
func (texts) Operation(manifest.Endpoint) openapi.Words {
	return openapi.Words{Description: "An odd shape."}
}

// Declaration implements openapi.Texts.
func (texts) Declaration(string) string { return "" }

// Tag implements openapi.Texts.
func (texts) Tag(string) string { return "" }
