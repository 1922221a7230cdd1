import './theme.css'
import { mount } from 'svelte'
import App from './App.svelte'
import { words } from './lib/words.svelte'

await words.load()
const target = document.getElementById('app')
if (target !== null) mount(App, { target })
