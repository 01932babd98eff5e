package plugins // want `var Empty is missing` `type EmptyPlugin is missing` `func NewEmptyPlugin is missing` `method OnBoot is missing` `method Execute is missing`
