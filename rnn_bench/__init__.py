"""Which recurrent cell should read my texts, and how sure can I be?"""
