package outside

import "regexp"

// Call is a family of names of a package that code in a handler must not use.
type Call struct {
	// Receiver is the type that the methods are of; "" for functions, variables and types.
	Receiver string
	// Names match the family.
	Names *regexp.Regexp
	// Instead says what is wrong with them, and what to do.
	Instead string
	// Waits is true for what is lawful in a loop that the host stops, or that Shutdown stops and awaits.
	Waits bool
}

const (
	holds        = "it holds the request; publish the event with app.Delay, run work at its times with b.Schedule, or wait with app.Sleep(ctx, d) in a loop that b.Loop keeps running"
	noRequest    = "it cannot be cancelled; make the request with http.NewRequestWithContext(ctx, …) and the *http.Client that the constructor asks for"
	noClient     = "it has no limits, retries or traces; ask the constructor for the *http.Client"
	noDial       = "the host does not know the connection; " + client
	noFiles      = "a handler does no file I/O; take uploads as *app.File, keep content in the database, or ask the constructor for a store"
	noTemplates  = "a handler does no file I/O; embed the files with go:embed and read them with ParseFS"
	noExec       = "a handler starts no process; " + forProcess
	noStatement  = "it cannot be cancelled; use the *gorm.DB with WithContext(ctx)"
	noSignals    = "the host ends the service; implement app.Shutdowner, or let a loop of b.Loop end with its context"
	noServer     = "the host has the listeners; register the endpoint in OnBoot"
	noBackground = "nobody stops what is done with this context, and its trace and its transaction are lost; pass on the ctx that the handler gets, or context.WithoutCancel(ctx) for what must be done to its end"
)

// Calls returns what code in a handler must not use, by import path.
func Calls() map[string][]Call {
	family := func(receiver, names, instead string) Call {
		return Call{Receiver: receiver, Names: regexp.MustCompile("^(" + names + ")$"), Instead: instead}
	}
	waits := func(names string) Call {
		return Call{Names: regexp.MustCompile("^(" + names + ")$"), Instead: holds, Waits: true}
	}
	templates := []Call{family("", `ParseFiles|ParseGlob`, noTemplates), family("Template", `ParseFiles|ParseGlob`, noTemplates)}
	return map[string][]Call{
		"context": {family("", `Background|TODO`, noBackground)},
		"time":    {family("", `Sleep|AfterFunc`, holds), waits(`After|NewTimer|NewTicker|Tick`)},
		"net/http": {
			family("", `Get|Head|Post|PostForm|NewRequest`, noRequest), family("Client", `Get|Head|Post|PostForm`, noRequest),
			family("", `DefaultClient|DefaultTransport|Client|Transport`, noClient),
			family("", `ListenAndServe\w*|Serve|ServeTLS|Handle|HandleFunc|DefaultServeMux|Server`, noServer), family("Server", `\w*Serve\w*`, noServer),
			family("", `ServeFile|ServeFileFS|Dir`, noFiles),
		},
		"net": {
			family("", `Dial\w*|Listen\w*|Lookup\w+|Dialer|ListenConfig|DefaultResolver|Resolver|File\w+|Interface\w*`, noDial),
			family("Dialer", `Dial\w*`, noDial), family("Resolver", `Lookup\w+`, noDial),
		},
		"crypto/tls":      {family("", `Dial\w*|Listen|Dialer`, noDial), family("Dialer", `Dial\w*`, noDial), family("", `LoadX509KeyPair`, noFiles)},
		"net/smtp":        {family("", `SendMail|Dial|NewClient`, "the host does not know the connection; "+forMail)},
		"net/rpc":         {family("", `Dial\w*|Accept|NewClient\w*`, noDial), family("Client", `Call|Go`, noDial)},
		"net/rpc/jsonrpc": {family("", `Dial|NewClient`, noDial)},
		"os/exec":         {family("", `Command|CommandContext|LookPath`, noExec)},
		"os/signal":       {family("", `Notify|NotifyContext|Ignore|Reset|Stop`, noSignals)},
		"os": {
			family("", `Exit|Getppid|StartProcess|FindProcess`, noSignals),
			family("", `Getenv|LookupEnv|Environ|Setenv|Unsetenv|Clearenv|ExpandEnv|Args`, forSettings),
			family("", `Open\w*|Create\w*|Read\w*|Write\w*|Remove\w*|Rename|Mkdir\w*|Stat|Lstat|Truncate|Chmod|Chown|Lchown|Chtimes|Chdir|Link|Symlink|Pipe|CopyFS|DirFS|NewFile|Getwd|TempDir|Hostname|Executable|User\w*Dir|Std(in|out|err)`, noFiles),
			family("File", `\w+`, noFiles), family("Root", `\w+`, noFiles),
		},
		"io/ioutil":       {family("", `ReadFile|WriteFile|ReadDir|TempFile|TempDir`, noFiles)},
		"path/filepath":   {family("", `Walk|WalkDir|Glob|EvalSymlinks|Abs`, noFiles)},
		"archive/zip":     {family("", `OpenReader`, noFiles)},
		"debug/buildinfo": {family("", `ReadFile`, noFiles)},
		"mime/multipart":  {family("FileHeader", `Open`, noFiles)},
		"crypto/x509":     {family("", `SystemCertPool`, noFiles)},
		"go/parser":       {family("", `ParseDir|ParseFile`, noFiles)},
		"html/template":   templates,
		"text/template":   templates,
		"fmt":             {family("", `Scan|Scanf|Scanln`, noFiles)},
		"database/sql": {
			family("", `Open|OpenDB`, noStatement), family("DB", `Exec|Query|QueryRow|Prepare|Begin|Ping`, noStatement),
			family("Tx", `Exec|Query|QueryRow|Prepare`, "it cannot be cancelled; use app.InTx and the *gorm.DB with WithContext(ctx)"),
			family("Stmt", `Exec|Query|QueryRow`, noStatement),
		},
		"gorm.io/gorm":             {family("", `Open`, "the host does not know the connection; "+forDatabase)},
		"github.com/gin-gonic/gin": {family("Context", `SaveUploadedFile|File|FileAttachment|FileFromFS`, noFiles), family("", `Default|New`, noServer)},
	}
}

// Goroutines returns what starts goroutines in the place of the statement, as "import/path.Type.Method" or "import/path.Function".
func Goroutines() map[string]bool {
	return map[string]bool{
		"sync.WaitGroup.Go": true, "golang.org/x/sync/errgroup.Group.Go": true, "golang.org/x/sync/errgroup.Group.TryGo": true,
		"golang.org/x/sync/singleflight.Group.DoChan": true, "context.AfterFunc": true,
	}
}
