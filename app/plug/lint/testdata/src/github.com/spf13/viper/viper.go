package viper

type Viper struct{}
