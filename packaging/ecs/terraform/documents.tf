locals {
  documents = {
    check  = { line = "apiclient update check", timeout = "300", what = "Print what the machine runs and whether there is an update for it" }
    apply  = { line = "apiclient update apply", timeout = "1800", what = "Write the update and choose it for the next boot" }
    reboot = { line = "apiclient reboot", timeout = "300", what = "Restart the machine" }
  }
}

resource "aws_ssm_document" "command" {
  for_each        = local.documents
  name            = "${var.name}-${each.key}"
  document_type   = "Command"
  document_format = "JSON"
  tags            = var.tags
  content = jsonencode({
    schemaVersion = "2.2"
    description   = each.value.what
    mainSteps = [{
      name         = each.key
      action       = "aws:runShellScript"
      precondition = { StringEquals = ["platformType", "Linux"] }
      inputs       = { timeoutSeconds = each.value.timeout, runCommand = [each.value.line] }
    }]
  })
}
