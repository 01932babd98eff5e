package cron

type Cron struct{}
